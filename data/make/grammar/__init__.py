"""The grammars that wrote the embedded tasks, and the measurements in their datasheets.

``python -m data.make.grammar reviews`` rewrites ``data/reviews/*.parquet`` from the seed, ``entail`` likewise;
``python -m data.make.grammar.datasheet reviews`` measures the task and fills the tables of its README.
Nothing here is needed to *use* a task: ``kd.load_task("reviews")`` reads the committed files.
"""
