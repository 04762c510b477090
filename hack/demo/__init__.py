"""The whole story in a minute, on this machine: `make demo`.

A real Kubernetes control plane, the simulated Atlas and the operator run on free ports of loopback; everything that is
shown is what really happened, and the demo fails when anything happens otherwise.

| module | what it answers |
| --- | --- |
| `story` | what happens, scene by scene, and what has to come of it |
| `stage` | what it happens on: the control plane, the simulator, the operator, and kubectl; how it begins and ends |
| `terminal` | how it looks, and how it waits for people |
"""
