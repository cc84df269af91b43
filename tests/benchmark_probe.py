"""A program that takes part in a contest of the tests: it says when it ran, and as whom."""

import sys
import time
from pathlib import Path

from benchmarks.contest import report

rival, log = sys.argv[1], Path(sys.argv[2])
with log.open("a", encoding="utf-8") as file:
    file.write(f"{rival}\n")
if rival == "broken":
    raise SystemExit("this rival cannot run")
runs = log.read_text("utf-8").count(rival)
print("libraries may print what they like")
report({"seconds": {"ours": 2.0, "theirs": 6.0}[rival] * runs, "at": time.time()})
