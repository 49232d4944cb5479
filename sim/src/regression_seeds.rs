//! Seeds with which a property once did not hold. `revtun-sim ci` plays them before all others.

/// Swarms in which a property did not hold once, and what was the matter: played first, before any others. What a seed
/// brings changes with the drawing of plans; [`EARLY_REGRESSION_SEEDS`] ones are drawn as they were then.
pub const REGRESSION_SEEDS: [(u64, &str); 6] = [
    (1_700_001_925, "Oracle: a drain was shorter than a request whose packets were reordered."),
    (1_700_003_231, "Oracle: a drained responder is not started again if it is not healed."),
    (1_700_004_426, "Oracle: an Envoy was checked in the middle of a dial."),
    (1_700_007_984, "Oracle: stalled readers hold more memory at initiators than the bound allowed."),
    (1_700_011_677, "A frozen initiator took its own pause for a slow responder, once for each tunnel."),
    (1_700_026_448, "Oracle: a tunnel was demanded while all responders drained at once."),
];

/// Seeds from before there were Envoys and every kind of fault: their plans are still drawn without these.
pub const EARLY_REGRESSION_SEEDS: [(u64, &str); 10] = [
    (94, "After one silence an initiator extended the ping timeout of tunnels that had never been slow."),
    (119, "One late ping made a host look slow, and its dead tunnels were kept for longer."),
    (105, "A PING was queued behind the data of a slow path, and a busy tunnel was taken for dead."),
    (194, "The same inside TLS, where partial writes are visible only below it."),
    (390, "The HTTP library had its own timeout for its PINGs, and closed slow tunnels."),
    (152, "Bytes from before HTTP/2 began were counted as activity again, and a dead tunnel stayed."),
    (577, "Bytes buffered by TLS were counted as sent, and a dead tunnel stayed."),
    (
        808,
        "A response that failed early lost its unsent head, and the caller saw its connection close without a response.",
    ),
    (227, "Oracle: a frozen process was blamed."),
    (999, "Oracle: an end that could still read was blamed for a close stuck behind the peer's full window."),
];
