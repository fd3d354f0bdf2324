"""The one style of dates on this site, with the zone: 28 Nov 2026, 05:49 UTC. `FORMAT_MODULE_PATH` names this package.

Templates write `{{ value }}` or `|date:"DATETIME_FORMAT"`, and the admin uses the same. Where seconds matter, it is
`|date:"DATETIME_WITH_SECONDS"`.
"""

DATE_FORMAT = SHORT_DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i T"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = f"{DATE_FORMAT}, {TIME_FORMAT}"
DATETIME_WITH_SECONDS = f"{DATE_FORMAT}, H:i:s T"
