"""What these tests share with others lies in the folder above."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))
