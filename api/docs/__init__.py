"""The documentation at /docs: guides from the folder docs/, a reference and error pages from the OpenAPI document.

Never here: facts about the API. They stand at the routes, in the shapes and in docs/.
"""
