"""The clouds: one session per cloud and process, and what their answers mean.

``session`` a `Cloud`: JSON in, JSON out, one token, counted calls
``calls``   how many calls were made, read off by whoever reports
``faults``  statuses and exceptions of the SDK to the project's errors
"""

from cloudsentry.clouds.calls import Calls
from cloudsentry.clouds.opening import Connect, open_cloud
from cloudsentry.clouds.session import Cloud

__all__ = ["Calls", "Cloud", "Connect", "open_cloud"]
