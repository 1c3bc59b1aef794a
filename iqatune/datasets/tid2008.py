"""TID2008: 25 references, 17 distortions, 4 levels; MOS 0..9, higher is better. TID2013 has the same references.

Ponomarenko et al. 2009, 'TID2008 - A Database for Evaluation of Full-Reference Visual Quality Assessment Metrics'.
"""

from iqatune.datasets.tid2013 import tid_set

ADAPTER = tid_set("tid2008", types=17, levels=4, source="https://www.ponomarenko.info/tid2008.htm", scores=None).adapter
