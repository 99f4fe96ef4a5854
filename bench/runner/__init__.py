"""What running an agent's Python costs, beside bare interpreters and other sandboxes: `python -m bench.runner`.

`starts` and `through` make rows, `rivals` those of others; `interleave` measures them in turn; `loads` has what cannot
be interleaved (throughput, refilling, memory); `table` shows. Nothing here is imported by the product.
"""
