"""What a call through the gate costs, beside the floor and the rivals. Run it: `python -m bench.stdio`.

`rows` and `rivals` say what is measured, `harness` measures one row once, `rounds` interleaves, `table`
shows. Nothing here is imported by the product.
"""
