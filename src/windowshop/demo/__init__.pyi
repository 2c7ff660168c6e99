from .catalogue import DemoConfig as DemoConfig
from .catalogue import write_demo as write_demo
from .run import demo_config as demo_config
from .run import run_demo as run_demo
