"""What `import gca_playground` costs a process that has torch, as a line of JSON.

``import``: seconds for the package, which brings a name in when it is asked for; ``use``: until a loss is there too.
"""

import json
import sys
import time

import torch  # noqa: F401  what the process is to have already

HEAVY = {"plotly", "ipywidgets", "anywidget", "ot", "sklearn", "pandas", "dask"}
before = set(sys.modules)
began = time.process_time()
import gca_playground as gca  # noqa: E402

imported = time.process_time() - began
gca.loss("gca-ince")
used = time.process_time() - began
print(json.dumps({"import": imported, "use": used, "heavy": sorted(HEAVY & (set(sys.modules) - before))}))
