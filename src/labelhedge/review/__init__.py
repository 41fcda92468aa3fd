"""The page on which people check labels: `labelhedge review CORPUS`.

    orders.py        what is asked and in which order: `ORDERS`
    run_orders.py    orders by the pseudo labels of a run: the most suspicious, the most useful first
    queue.py         who is asked what next
    definitions.py   what a label means, in words, from a file
    shown.py         what the page shows: scaled images, words and evidence, examples of a label
    guard.py         who may ask the server for what
    server.py        the HTTP interface, and `serve`
    static/          the page: HTML, CSS and ES modules, as they stand

FastAPI and uvicorn are needed by `server.py` only (``pip install 'labelhedge[review]'``).
"""

from labelhedge.review.orders import ORDERS, OrderSettings, Task, make_tasks
from labelhedge.review.queue import Queue
from labelhedge.review.run_orders import suspicion, usefulness

__all__ = ["ORDERS", "OrderSettings", "Queue", "Task", "make_tasks", "suspicion", "usefulness"]
