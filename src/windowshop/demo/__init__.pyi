from .catalogue import DemoConfig as DemoConfig
from .catalogue import write_demo as write_demo
from .products import make_products as make_products
from .products import product_rows as product_rows
from .run import demo_config as demo_config
from .run import run_demo as run_demo
