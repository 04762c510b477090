"""Try in a real project what nobody has confirmed of Atlas: `make conform`.

It makes, reads and deletes one thing of each family (`lives.yaml`), records each exchange without credentials and IDs, compares the
answers with `simulator/unconfirmed.yaml`, and names what is left.
"""
