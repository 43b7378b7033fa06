"""A WSGI application that lists a node's children."""

import client


def app(environ, start_response):
    children = client.zk.get_children("/zookeeper")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(sorted(children)).encode()]
