"""All of serving without torch: searches by text and by image, writes, and what a write leaves."""

import json
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import base64, json, sys, time

HEAVY = {"torch", "transformers", "sentence_transformers", "peft", "onnx"}

for name in HEAVY:
    sys.modules[name] = None  # as if it were not installed

from pathlib import Path
from starlette.testclient import TestClient
from windowshop.service.app import create_app
from windowshop.service.config import ServiceConfig
from windowshop.service.generation_pool import GenerationPool

index, image = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()
encoded = base64.b64encode(image).decode()
app = create_app(GenerationPool(index, ()), ServiceConfig(), None)
answers = {}
with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 1)) as client:
    while client.get("/ready").status_code != 200:
        time.sleep(0.1)

    def results(answer):
        assert answer.status_code == 200, answer.text
        return [found["product_id"] for found in answer.json()["results"]]

    def shown(request):
        form = {"request": json.dumps(request)}
        return results(client.post("/search/image", files={"photo": image}, data=form))

    answers["text"] = results(client.post("/search", json={"text": "red dress"}))
    answers["image"], answers["both"] = shown({}), shown({"text": "blue"})
    product = {"product_id": "new", "title": "qqzz lamp", "photo_base64": encoded}
    told = client.put("/products", json={"products": [product]})
    assert told.status_code == 200, told.text
    answers["written"], answers["found"] = told.json()["results"][0]["status"], shown({})
print(json.dumps(answers))
"""


def test_a_service_needs_no_torch(indexed, shop, tmp_path):
    index = shutil.copytree(indexed, tmp_path / "index")
    image = next((shop / "data").rglob("*.jpg"))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, index, image], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    assert all(answers[name] for name in ("text", "image", "both"))
    assert answers["written"] == "upserted"
    assert "new" in answers["found"]
