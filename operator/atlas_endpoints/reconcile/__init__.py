"""One reconcile for every kind: gather, observe, decide, permit, apply, summarize."""
