"""Plugin packages made from templates: ``mediasense new-plugin``.

The templates are whole packages for a plugin named ``acme_template``, so that every tool can check
them as they are; rendering puts another name in its place.
"""
