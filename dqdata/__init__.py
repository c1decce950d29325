"""dqdata: data-centric reasoning distillation.

Pipelines are TOML; operators turn problems into verified, graded, deduplicated teacher traces; every result is a
version of a catalog that anyone queries with SQL; trainers read catalogs.

    $ dqdata run quickstart
    $ dqdata sql "select verdict, count(*) from quickstart group by all"
"""

__version__ = "0.1.0"
