"""What crosses borders inside the house: frozen records, and nothing else.

``marks``   how a resource says whose it is
``views``   what was observed: one view per family and cloud, together a snapshot
``orders``  what a step asks of a driver; an order knows from a view how far it has come
``plans``   steps and the plan
``reports`` what a run did
"""
