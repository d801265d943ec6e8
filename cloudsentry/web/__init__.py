"""The door for other programs: alarms come in over HTTP, decisions go out.

``gate``    who may call, how often, how much
``bodies``  what callers send and get
``alarms``  from their words to calls for capacity
``worker``  carries accepted calls out, one run per event at a time
``app``     the routes
``stream``  pictures of the events, to whoever watches
``page``    the live page
``metrics`` the same for Prometheus
"""
