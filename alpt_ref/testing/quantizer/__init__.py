"""Is somebody's quantiser right? `check_quantizer` and what belongs to it."""

from alpt_ref.testing.quantizer.check import check_quantizer
from alpt_ref.testing.quantizer.report import NOTES, PROPERTIES, Example, Outcome, Report

__all__ = ["NOTES", "PROPERTIES", "Example", "Outcome", "Report", "check_quantizer"]
