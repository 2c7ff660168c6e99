from .config import ServiceConfig as ServiceConfig
from .logs.training_data import write_clicks as write_clicks
from .server import serve as serve
