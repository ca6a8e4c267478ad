package engine

// checkOp checks what an operation's spec can't say of its config.
func (w *wfPlanner) checkOp(n *nodePlan) {}
