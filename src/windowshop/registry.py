"""Extension points by name: each table maps a name to `module:attribute`, imported at first use.

To add an engine, encoder, fusion, table reader or search channel, write its file and
add one line here; command-line choices and configs follow.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from windowshop.errors import ConfigError


class Registry(Mapping[str, Any]):
    """Names of one extension point; iteration and membership import nothing."""

    def __init__(self, noun: str, places: dict[str, str]) -> None:
        """Keep the `module:attribute` of each name; `noun` is used in messages."""
        self.noun, self._places = noun, dict(places)

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401
        """Import the attribute of a name; raises ConfigError for an unknown name."""
        self.require(name)
        module, _, attribute = self._places[name].partition(":")
        return getattr(import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in the order of the table."""
        return iter(self._places)

    def __len__(self) -> int:
        """Return the number of names."""
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        """Return whether a name is known, without importing anything."""
        return name in self._places

    def add(self, name: str, place: str) -> None:
        """Add a name from outside the package, as `module:attribute`."""
        self._places[name] = place

    def remove(self, name: str) -> None:
        """Forget a name."""
        del self._places[name]

    def require(self, name: str) -> None:
        """Raise ConfigError for an unknown name."""
        if name not in self._places:
            known = ", ".join(self._places)
            raise ConfigError(f"{self.noun}={name!r} is unknown. Use one of: {known}.")


ENGINES = Registry(
    "engine",
    {
        "exact": "windowshop.engines.exact:ExactEngine",
        "flat": "windowshop.engines.flat:FlatEngine",
        "zvec": "windowshop.engines.zvec:ZvecEngine",
    },
)
STORES = Registry(
    "address",
    {
        "postgresql": "windowshop.index.postgres.catalogue:PostgresCatalogue",
        "postgres": "windowshop.index.postgres.catalogue:PostgresCatalogue",
        "qdrant": "windowshop.index.qdrant.catalogue:QdrantCatalogue",
        "http": "windowshop.index.qdrant.catalogue:QdrantCatalogue",
        "https": "windowshop.index.qdrant.catalogue:QdrantCatalogue",
    },
)
"""Catalogues on servers by the scheme of their address."""
STORAGES = ("float32", "fp16", "int8", "4bit")
"""Forms of a vector that engines search."""

READERS = Registry(
    "table suffix",
    {
        ".parquet": "polars:read_parquet",
        ".csv": "windowshop.data.csv_dialect:read_csv",
        ".jsonl": "windowshop.data.json_lines:read_lines",
        ".ndjson": "windowshop.data.json_lines:read_lines",
    },
)
"""Table readers by file suffix: a path to a frame."""

FORMATS = Registry(
    "format",
    {
        "shopify": "windowshop.imports.formats.shopify:FORMAT",
        "shopify-json": "windowshop.imports.formats.shopify_json:FORMAT",
        "shopify-graphql": "windowshop.imports.formats.shopify_graphql:FORMAT",
        "woocommerce": "windowshop.imports.formats.woocommerce:FORMAT",
        "woocommerce-xml": "windowshop.imports.formats.woocommerce_xml:FORMAT",
        "webtoffee": "windowshop.imports.formats.webtoffee:FORMAT",
        "magento": "windowshop.imports.formats.magento:FORMAT",
        "bigcommerce": "windowshop.imports.formats.bigcommerce:FORMAT",
        "wix": "windowshop.imports.formats.shop_tables:WIX",
        "squarespace": "windowshop.imports.formats.shop_tables:SQUARESPACE",
        "ecwid": "windowshop.imports.formats.shop_tables:ECWID",
        "shopware": "windowshop.imports.formats.shop_tables:SHOPWARE",
        "prestashop": "windowshop.imports.formats.shop_tables:PRESTASHOP",
        "shopware-5": "windowshop.imports.formats.regional_tables:SHOPWARE_5",
        "vtex": "windowshop.imports.formats.regional_tables:VTEX",
        "sylius": "windowshop.imports.formats.sylius:CSV",
        "sylius-api": "windowshop.imports.formats.sylius:API",
        "cs-cart": "windowshop.imports.formats.regional_tables:CSCART",
        "tiendanube": "windowshop.imports.formats.regional_tables:TIENDANUBE",
        "opencart": "windowshop.imports.formats.opencart:FORMAT",
        "akeneo": "windowshop.imports.formats.companion_files:AKENEO",
        "akeneo-api": "windowshop.imports.formats.akeneo_api:FORMAT",
        "commercetools": "windowshop.imports.formats.regional_tables:COMMERCETOOLS",
        "etsy": "windowshop.imports.formats.shop_tables:ETSY",
        "amazon": "windowshop.imports.formats.shop_tables:AMAZON",
        "salesforce": "windowshop.imports.formats.salesforce:FORMAT",
        "hybris": "windowshop.imports.formats.hybris:FORMAT",
        "bmecat": "windowshop.imports.formats.bmecat:FORMAT",
        "icecat": "windowshop.imports.formats.icecat:FORMAT",
        "square": "windowshop.imports.formats.point_of_sale:SQUARE",
        "lightspeed": "windowshop.imports.formats.point_of_sale:LIGHTSPEED",
        "lightspeed-ecom": "windowshop.imports.formats.point_of_sale:LIGHTSPEED_ECOM",
        "ebay": "windowshop.imports.formats.point_of_sale:EBAY",
        "odoo": "windowshop.imports.formats.point_of_sale:ODOO",
        "google": "windowshop.imports.formats.google:FORMAT",
        "openai": "windowshop.imports.formats.openai:FORMAT",
        "schema-org": "windowshop.imports.formats.schema_org:FORMAT",
        "django": "windowshop.imports.formats.django_fixture:FORMAT",
        "json": "windowshop.imports.formats.json_products:FORMAT",
        "embedded": "windowshop.imports.formats.embedded:FORMAT",
        "judged": "windowshop.imports.formats.judged_tables:FORMAT",
        "table": "windowshop.imports.formats.table:FORMAT",
    },
)
"""Formats of files that `windowshop import` reads."""
FOLDER_FORMATS = Registry(
    "format",
    {
        "esci": "windowshop.imports.formats.judged_folders:ESCI",
        "wands": "windowshop.imports.formats.judged_folders:WANDS",
        "beir": "windowshop.imports.formats.judged_folders:BEIR",
        "trec": "windowshop.imports.formats.judged_folders:TREC",
        "prestashop-files": "windowshop.imports.formats.companion_files:PRESTASHOP_FILES",
        "akeneo-files": "windowshop.imports.formats.companion_files:AKENEO_FILES",
        "sylius-files": "windowshop.imports.formats.sylius:FILES",
        "google-files": "windowshop.imports.formats.google_files:FILES",
        "salesforce-files": "windowshop.imports.formats.salesforce_files:FILES",
        "hybris-files": "windowshop.imports.formats.hybris:FILES",
    },
)
"""Formats of several files that belong together."""

FUSIONS = Registry(
    "fusion",
    {
        "experts": "windowshop.model.fusion.experts:ModalityExperts",
        "query_experts": "windowshop.model.fusion.query_experts:QueryExperts",
        "text_tower_experts": "windowshop.model.fusion.query_experts:TextTowerExperts",
        "uniform_experts": "windowshop.model.fusion.experts:UniformExperts",
        "average": "windowshop.model.fusion.average:Average",
        "weighted": "windowshop.model.fusion.average:Weighted",
        "concat_linear": "windowshop.model.fusion.concat:ConcatLinear",
        "concat_mlp": "windowshop.model.fusion.concat:ConcatMLP",
        "scalar_gate": "windowshop.model.fusion.gated:ScalarGate",
        "vector_gate": "windowshop.model.fusion.gated:VectorGate",
        "cross_attention": "windowshop.model.fusion.attention:CrossAttention",
        "query_weighted": "windowshop.model.fusion.query_weighted:QueryWeighted",
        "text_only": "windowshop.model.fusion.single:TextOnly",
        "image_only": "windowshop.model.fusion.single:ImageOnly",
    },
)
TEXT_ENCODERS = Registry("text_encoder", {"minilm": "windowshop.encoders.text:embedded_minilm"})
IMAGE_ENCODERS = Registry(
    "image_encoder",
    {
        "efficientnet-lite0": "windowshop.encoders.image:EfficientNetEncoder",
        "efficientnet-lite2": "windowshop.encoders.image:EfficientNetEncoder",
    },
)
"""Encoders that need no download, called with name, device and `tokens`."""

CHANNELS = Registry(
    "channel",
    {
        "vectors": "windowshop.search.retrieval.channels.vectors:CHANNEL",
        "photo": "windowshop.search.retrieval.channels.image:CHANNEL",
        "words": "windowshop.search.retrieval.channels.words:CHANNEL",
    },
)
"""Search channels, by the names that search settings use."""


BULK_FORMATS = Registry(
    "to",
    {
        name: f"windowshop.index.exports.formats:write_{name}"
        for name in ("parquet", "qdrant", "milvus", "opensearch", "pgvector")
    },
)
"""Formats of `windowshop export`: folder and catalogue to files, and how to load them."""
