"""Names of columns that say what the page does with them."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


OWN_PLACE = frozenset(
    _words("title brand price category description attributes image images currency")
)
"""Columns that have a place of their own on the page."""
INTERNAL = frozenset(
    _words(
        "product_id group_id item_group_id parent_id variant_id category_paths handle slug status "
        "published visible visibility active enabled draft tax tax_class tax_status taxable "
        "vendor_id inventory inventory_policy inventory_quantity fulfillment_service "
        "requires_shipping created created_at created_on updated updated_at modified modified_at "
        "imported_at date_added cost margin purchase_price wholesale_price source source_id "
        "position sort_order seo_title seo_description meta_title meta_description meta_keywords "
        "template language image_url image_urls image_link link url product_url permalink "
        "thumbnail hash checksum simulated synthetic identifier_exists google_product_category "
        "attribute_set attribute_set_code all_categories category_raw class_id product_websites "
        "store_view_code url_key options_container gift_message_available text_quality cold"
    )
)
"""Columns that no shopper reads."""
INTERNAL_WORDS = frozenset(
    _words(
        "internal cost margin supplier warehouse erp legacy debug tmp token uuid guid raw samples "
        "links image images"
    )
)
"""Words in the names of such columns."""
STOCK_WORDS = frozenset(_words("stock inventory qty"))
"""Words in the names of numbers that say how much is in stock."""
LINKS = _words("link product_url url permalink")
SALE_PRICES = _words("sale_price special_price discount_price discounted_price offer_price")
LIST_PRICES = _words(
    "list_price compare_at_price regular_price original_price old_price was_price msrp rrp uvp"
)
FALLING = _words("rating average_rating num_reviews reviews popularity sales orders")
"""Numbers of which more is better."""
COLOURS = frozenset(
    _words(
        "color colour colors colours farbe farben couleur couleurs colore colori cor cores kleur "
        "kleuren kolor barva farve färg farge vari väri szin szín renk culoare boja colour_name "
        "color_name base_color base_colour main_color main_colour basecolour basecolor"
    )
)
PREFERRED = frozenset(
    _words(
        "gender geschlecht genre size sizes grösse größe groesse taille talla taglia material "
        "fabric brand_name shape style pattern season type"
    )
)
"""Columns that shoppers choose by before others."""
UNITS = {
    "kg": "kg", "g": "g", "grams": "g", "lb": "lb", "oz": "oz", "cm": "cm", "mm": "mm", "m": "m",
    "in": "in", "inch": "in", "ml": "ml", "l": "l", "w": "W", "v": "V", "mah": "mAh", "gb": "GB",
    "hz": "Hz", "percent": "%", "pct": "%", "eur": "EUR", "usd": "USD", "gbp": "GBP",
}  # fmt: skip
"""Last words of names that are units."""
SHORT_WORDS = frozenset(_words("id sku gtin ean mpn upc isbn usb led uv"))
"""Words that are written in capitals."""
