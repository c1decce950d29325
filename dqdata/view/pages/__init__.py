"""The pages: one file a subject, which asks the store and fills a template."""
