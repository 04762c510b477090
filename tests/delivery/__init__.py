"""Helm chart, manifests and what else brings the operator into a cluster, tried with the real tools.

| module | what it answers |
| --- | --- |
| `programs` | which executables, built from the Go module beside this file |
| `helm` | how Helm is run, either major, without a trace outside of a folder of the test |
| `promtool` | whether alerts can be read, and when they fire |
| `states`, `recorded` | what a resource may say of itself, and an object of each state as an operator wrote it (`make record`) |
| `argocd`, `argo_lua` | what is generated for Argo CD, and Argo CD's Lua engine |
| `values` | the values of the chart, with their comments |
| `generated` | which files are made from which others, and how (`make generate`) |
"""
