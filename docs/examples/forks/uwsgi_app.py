"""The same application under uWSGI.

``uwsgi --http :8000 --master --processes 4 --enable-threads --module uwsgi_app:app``
"""

import client
import uwsgi
from uwsgidecorators import postfork
from wsgi_app import app

__all__ = ["app"]

postfork(client.connect)
uwsgi.atexit = client.disconnect
