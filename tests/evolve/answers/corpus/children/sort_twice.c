#include <stddef.h>

/* EVOLVE-BLOCK-START */
static void sort3(int *a) {
  for (size_t i = 0; i < 4; i++) {
    if (a[i % 2] > a[i % 2 + 1]) {
      int t = a[i % 2];
      a[i % 2] = a[i % 2 + 1];
      a[i % 2 + 1] = t;
    }
  }
}
/* EVOLVE-BLOCK-END */
