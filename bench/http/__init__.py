"""What a call over HTTP costs through the gate, beside the floor and the rivals. Run it: `python -m bench.http`.

`rows` and `rivals` say what is measured, `harness` measures one row once, `placements` says on which cores and in
which order, `table` shows. Nothing here is imported by the product.
"""
