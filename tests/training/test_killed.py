import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent / "scripts" / "killed.py"


def test_a_fit_killed_five_times_ends_with_the_same_parameters(tmp_path):
    run = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout.splitlines()[-1])
    assert all(kill["killed"] and kill["to"] > kill["from"] for kill in result["kills"])
    assert len(result["kills"]) == 5 and all(result["identical"])
