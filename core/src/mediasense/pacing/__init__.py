"""How fast a service is asked, and what is done while it cannot answer.

A *lane* is one provider at one address. All calls to it, from all workers, share its limits, its
pauses and what was learned of it.
"""
