"""Static files under names that change with their content, ES module imports included."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Hashed names let a browser keep a file for good and still get a new one at once."""

    support_js_module_import_aggregation = True
