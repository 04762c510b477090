"""The whole story in a minute, on this machine: `make demo`.

A real Kubernetes control plane, the simulated Atlas and the operator run on free ports of loopback; everything that is
shown is what really happened, and the demo fails when anything happens otherwise.

`make demo-broken` beside it shows set-ups that are broken, to be explained and healed.

| module | what it answers |
| --- | --- |
| `story` | what happens, scene by scene, and what has to come of it |
| `set_ups` | which set-ups are broken, how, and what heals each |
| `broken` | how they are shown one by one, and whether each is as expected |
| `scene` | what a broken set-up acts on: a team's namespace, and what it has in Atlas |
| `troubleshooting` | what docs/reasons.md says about them |
| `stage` | what it happens on: the control plane, the simulator, the operator, and kubectl; how it begins and ends |
| `terminal` | how it looks, and how it waits for people |
"""
