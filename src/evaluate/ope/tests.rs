//! Estimators on logs of which the truth is known.
