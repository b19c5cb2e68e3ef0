"""From an approved request to a workspace: a request is accepted, and one message drives it step by step.

A row is written before each outside call and again with what came of it. Whoever finds a call without an outcome looks
for what it may have made before making anything. So a kill at any point makes no workspace twice and loses none.
"""
