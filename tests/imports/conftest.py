import pytest
from support.image_hosts import image_host


@pytest.fixture
def host():
    with image_host() as found:
        yield found
