"""The demo: a company of three departments on one machine, with a story in it.

company   who works where
story     what happens, in order
teller    makes it happen, through the nodes' own client API
nodes     makes, starts and stops the three nodes
founding  founds the company: its key, its roster, and the nodes that join
tethered  ends a node whose demo was killed
saved     what a later start has to know
"""
