"""A demonstration of the API over real data: the samples, the questions, and the tables that answer them.

`try` and the demonstration on a cluster both end with `python -m analytics_service.demo`, a plain HTTP client.
"""
