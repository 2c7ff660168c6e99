from .agents.mcp_tools import run_mcp as run_mcp
from .config import ServiceConfig as ServiceConfig
from .logs.training_data import index_events as index_events
from .logs.training_data import judge_index as judge_index
from .logs.ubi import write_ubi as write_ubi
from .sending import Service as Service
from .server import serve as serve
