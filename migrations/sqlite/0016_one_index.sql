-- operations_by_expectation finds the oldest of a state as well, so that a change of an expectation writes one index less.
DROP INDEX expectations_unmet;
