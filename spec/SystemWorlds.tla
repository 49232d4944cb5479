---------------------------- MODULE SystemWorlds ----------------------------
(***************************************************************************)
(* Small worlds for the system: who the initiators are and who calls.      *)
(***************************************************************************)
EXTENDS SystemProperties

Named(tenant, node, cluster) == [tenant |-> tenant, node |-> node, cluster |-> cluster]
Caller(tenant, name, nr)    == 
  [tenant |-> tenant, kind |-> "node", node |-> name, cluster |-> "", nr |-> nr]

\* A node of one tenant, and one of another tenant with the same names.
Node     == Named("a", "n", "c")
Stranger == Named("b", "n", "c")

Nobody   == {}
One      == {Caller("a", "n", 1)}
OneEach  == {Caller("a", "n", 1), Caller("b", "n", 2)}
=============================================================================
