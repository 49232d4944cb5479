-------------------------- MODULE ResponderWorlds --------------------------
(***************************************************************************)
(* Small worlds for the responder: who dials in and who calls. The         *)
(* configurations name one of each.                                        *)
(***************************************************************************)
EXTENDS Responder

Peer(tenant, node, cluster, instance) ==
  [tenant |-> tenant, node |-> node, cluster |-> cluster, instance |-> instance]
Caller(tenant, kind, node, cluster, nr) ==
  [tenant |-> tenant, kind |-> kind, node |-> node, cluster |-> cluster, nr |-> nr]
ForNode(tenant, node, nr)            == Caller(tenant, "node", node, "", nr)
ForMember(tenant, node, cluster, nr) == Caller(tenant, "member", node, cluster, nr)
ForCluster(tenant, cluster, nr)      == Caller(tenant, "cluster", "", cluster, nr)

\* Two tenants who give their nodes and clusters the same names. One says which process it is, one does not.
TwoTenants     == {Peer("a", "n", "c", 1), Peer("b", "n", "c", 0)}
OfTwoTenants   == {ForNode("a", "n", 1), ForCluster("b", "c", 2)}

\* Two nodes of one cluster, and two callers who queue for it.
OneCluster     == {Peer("a", "m", "c", 1), Peer("a", "n", "c", 0)}
OfOneCluster   == {ForCluster("a", "c", 1), ForCluster("a", "c", 2)}

\* Three nodes, two of which have one name in two clusters, and a caller for a cluster and one for that name.
Fleet          == {Peer("a", "m", "c", 1), Peer("a", "n", "c", 1), Peer("a", "n", "d", 2)}
OfFleet        == {ForCluster("a", "c", 1), ForNode("a", "n", 2)}

\* A node of which one process says who it is and one does not, and another tenant's node of the same name.
Mixed          == {Peer("a", "n", "c", 0), Peer("a", "n", "c", 1), Peer("b", "n", "c", 1)}

\* Three processes that claim one node.
ThreeProcesses == {Peer("a", "n", "c", i) : i \in 1..3}
TwoProcesses   == {Peer("a", "n", "c", i) : i \in 1..2}
OfOneNode      == {ForNode("a", "n", 1)}

\* Nodes of one name in two clusters, one of which starts anew, and callers who name the one, or only the name.
LookAlikes     == {Peer("a", "n", "c", 1), Peer("a", "n", "d", 2), Peer("a", "n", "d", 3)}
Twins          == {Peer("a", "n", "c", 1), Peer("a", "n", "d", 2)}
OfTwins        == {ForMember("a", "n", "c", 1), ForNode("a", "n", 2)}

\* A node, and callers who want it by its name, and its cluster: all of them want the same places.
OneNode        == {Peer("a", "n", "c", 1)}
OfAllKinds     == {ForNode("a", "n", 1), ForNode("a", "n", 2), ForCluster("a", "c", 3)}
OfTwoKinds     == {ForNode("a", "n", 1), ForCluster("a", "c", 2)}
OfEachKind     == {ForNode("a", "n", 1), ForMember("a", "n", "c", 2), ForCluster("a", "c", 3)}
=============================================================================
