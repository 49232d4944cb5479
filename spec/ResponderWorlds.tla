-------------------------- MODULE ResponderWorlds --------------------------
(***************************************************************************)
(* Small worlds for the responder: who dials in and who calls. The         *)
(* configurations name one of each.                                        *)
(***************************************************************************)
EXTENDS Responder

Peer(tenant, node, cluster, instance) ==
  [tenant |-> tenant, node |-> node, cluster |-> cluster, instance |-> instance]
Caller(tenant, kind, name, nr) == [tenant |-> tenant, kind |-> kind, name |-> name, nr |-> nr]

\* Two tenants who give their nodes and clusters the same names. One says which process it is, one does not.
TwoTenants     == {Peer("a", "n", "c", 1), Peer("b", "n", "c", 0)}
OfTwoTenants   == {Caller("a", "node", "n", 1), Caller("b", "cluster", "c", 2)}

\* Two nodes of one cluster, and two callers who queue for it.
OneCluster     == {Peer("a", "m", "c", 1), Peer("a", "n", "c", 0)}
OfOneCluster   == {Caller("a", "cluster", "c", 1), Caller("a", "cluster", "c", 2)}

\* Two nodes, one of which is in two clusters by two of its processes, and a caller for a cluster and one for a node.
Fleet          == {Peer("a", "m", "c", 1), Peer("a", "n", "c", 1), Peer("a", "n", "d", 2)}
OfFleet        == {Caller("a", "cluster", "c", 1), Caller("a", "node", "n", 2)}

\* A node of which one process says who it is and one does not, and another tenant's node of the same name.
Mixed          == {Peer("a", "n", "c", 0), Peer("a", "n", "c", 1), Peer("b", "n", "c", 1)}

\* Three processes that claim one node.
ThreeProcesses == {Peer("a", "n", "c", i) : i \in 1..3}
TwoProcesses   == {Peer("a", "n", "c", i) : i \in 1..2}
OfOneNode      == {Caller("a", "node", "n", 1)}
=============================================================================
