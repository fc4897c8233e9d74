"""Labels by which everything that a run starts on the engine is found again."""

RUN_LABEL = "egress-bench.run"
"""On everything that a run starts: its project."""
PART_LABEL = "egress-bench.part"
FOLDER_LABEL = "egress-bench.folder"
"""The run folder: where it is gone, the run is."""
OWNER_LABEL = "egress-bench.uid"
