"""Operator of the AnalyticsApi resource: one resource in, a complete analytics service out."""
