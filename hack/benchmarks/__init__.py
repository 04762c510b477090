"""The benchmark (`make bench`): atlas-endpoints and a peer in Go, measured side by side; docs/benchmark.md tells the rest.

| module | what it answers |
| --- | --- |
| `rows` | what is measured: each row is one coroutine over the stage |
| `stage` | what it happens on: a control plane, a stub of Atlas, one contender at a time |
| `contenders` | how ours and the peer are built and started; the Go module in `peer/` holds the peer and the stub |
| `populations` | which resources there are; pure |
| `api_server` | how the driver changes resources and sees them settle |
| `atlas_stub`, `usage` | what Atlas, the contenders and the kernel tell |
| `results` | what is kept of a run, and statistics; pure |
| `lines`, `report` | the table, its goals and the page; pure |
| `machine` | versions and the class of hardware |
"""
