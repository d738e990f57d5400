const MIB = 2 ** 20;
/** The most that glibc takes (mallopt(3), M_MMAP_THRESHOLD). */
const MOST_PIECE = 32 * MIB;
/** More makes nothing faster. */
const MOST_FREE = 64 * MIB;

/**
 * Environment of a process whose lanes take and free large pieces of memory all the time, for glibc's malloc (mallopt(3));
 * others don't know the variables. With an arena for each thread, 50 MB more of what is free would stay. Large pieces come
 * from it, too, as they do anyway once malloc has seen some freed; and what is free at its end stays there, up to half of
 * the budget: what goes back to the system is cleared anew when it is needed again (docs/performance.md).
 */
export const mallocSettings = (budgetBytes: number): Record<string, string> => ({
  MALLOC_ARENA_MAX: "1",
  MALLOC_MMAP_THRESHOLD_: String(MOST_PIECE),
  MALLOC_TRIM_THRESHOLD_: String(Math.min(MOST_FREE, Math.floor(budgetBytes / 2))),
});
