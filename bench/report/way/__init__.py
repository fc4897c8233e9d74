"""The requests' way as a drawing, and in words for who does not see it."""

from bench.report.way.figures import WayFigures, way_figures
from bench.report.way.picture import tall_picture, wide_picture
from bench.report.way.words import message

__all__ = ["WayFigures", "message", "tall_picture", "way_figures", "wide_picture"]
