//! The chat API of a target: requests rendered, answers parsed and classified.
//! Wire formats stop here.
