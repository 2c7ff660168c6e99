"""`windowshop tune`: search settings chosen on judged queries."""

from windowshop.tune.choice import TuneConfig, Tuning, tune
from windowshop.tune.report import render_tuning, save_tuning, tuning_to_json

__all__ = ["TuneConfig", "Tuning", "render_tuning", "save_tuning", "tune", "tuning_to_json"]
